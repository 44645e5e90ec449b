import { discoveryErrors } from '../../discovery.errors.js';
import { peersIn, renderUpstream } from './upstream-file.js';

describe('the upstream file of Nginx', () => {
  it('says who is there, and that who drains gets nothing', () => {
    const peers = [
      { id: 'one', address: '127.0.0.1:3000', draining: false },
      { id: 'two', address: '[::1]:3001', draining: true },
    ];
    const text = renderUpstream('conduit', peers, { keepAlive: 8 });
    expect(text)
      .toBe(`# Written by the edge agent from the registry; what is changed here by hand will be lost.
upstream conduit {
    zone conduit 256k;
    least_conn;
    server 127.0.0.1:3000 max_fails=2 fail_timeout=2s; # one
    server [::1]:3001 down; # two
    keepalive 8;
    keepalive_timeout 30s;
}
`);
    expect(peersIn(text)).toEqual(peers);
  });

  it('has everybody as a backup, which is never out of use, where there are several', () => {
    const peers = ['127.0.0.1:3000', '127.0.0.1:3001', '127.0.0.1:3002'].map((address, at) => ({
      id: `r${at}`,
      address,
      draining: at === 2,
    }));
    const text = renderUpstream('conduit', peers);
    expect(text.match(/^.* backup;$/gm)).toEqual([
      '    server 127.0.0.1:3000 max_fails=0 backup;',
      '    server 127.0.0.1:3001 max_fails=0 backup;',
    ]);
    expect(peersIn(text)).toEqual(peers);
  });

  it('is read where somebody has written it by hand', () => {
    expect(peersIn('upstream x {\n    server 127.0.0.1:3000 weight=2;\n}\n')).toEqual([
      { id: '127.0.0.1:3000', address: '127.0.0.1:3000', draining: false },
    ]);
    expect(peersIn('')).toEqual([]);
  });

  it('holds no address and no name that could end its line', () => {
    const refused = expect.objectContaining({ code: discoveryErrors.codes.EDGE_REFUSED });
    for (const address of ['a:80;', 'a b:80', '127.0.0.1', 'a:80\n'])
      expect(() => renderUpstream('x', [{ id: 'a', address, draining: false }])).toThrow(refused);
    const text = renderUpstream('x', [{ id: 'a\n}', address: 'a:80', draining: false }]);
    expect(text).toContain('server a:80 max_fails=2 fail_timeout=2s;\n');
  });
});
