import { serverProperties } from './server-properties.js';

const nodes = [1, 2, 3].map((n) => ({ client: 20_000 + n, controller: 21_000 + n }));

describe('server.properties', () => {
  it('name every controller, and let each broker listen on its own ports', () => {
    const lines = serverProperties(1, nodes, '/data', {}).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'node.id=1',
        'listeners=PLAINTEXT://127.0.0.1:20002,CONTROLLER://127.0.0.1:21002',
        'controller.quorum.voters=0@127.0.0.1:21001,1@127.0.0.1:21002,2@127.0.0.1:21003',
        'log.dirs=/data',
      ]),
    );
  });

  it('ask for copies where there are brokers to keep them', () => {
    const one = serverProperties(0, nodes.slice(0, 1), '/data', {});
    expect(one).toMatch(/^offsets\.topic\.replication\.factor=1$/m);
    expect(one).toMatch(/^min\.insync\.replicas=1$/m);
    const three = serverProperties(0, nodes, '/data', {});
    expect(three).toMatch(/^default\.replication\.factor=3$/m);
    expect(three).toMatch(/^min\.insync\.replicas=2$/m);
  });

  it('have what was asked for instead of the default, once', () => {
    const lines = serverProperties(0, nodes, '/data', { 'log.segment.bytes': '1048576' }).split('\n');
    expect(lines.filter((line) => line.startsWith('log.segment.bytes='))).toEqual([
      'log.segment.bytes=1048576',
    ]);
  });
});
