import { DnsServer } from '../../testing/dns-server.js';
import { registryContract, replica, Told } from '../../testing/registry-contract.js';
import { DnsRegistry } from './dns-registry.js';

registryContract('dns', async () => {
  const server = await DnsServer.start();
  // The suite makes services as it goes; each has the name it would have anyway.
  const services = new Proxy({}, { get: (_, service) => ({ srv: `_http._tcp.${String(service)}.test` }) });
  return {
    open: (options) => new DnsRegistry({ services, servers: [server.address], intervalMs: 100, ...options }),
    set: async (service, instances) => {
      const records = instances.map(({ address }) => {
        const [name, port] = address.split(':') as [string, string];
        return { priority: 1, name, port: Number(port) };
      });
      server.srv.set(`_http._tcp.${service}.test`, records);
    },
    outage: {
      begin: async () => void (server.mode = 'silent'),
      end: async () => void (server.mode = 'answering'),
    },
    close: () => server.close(),
  };
});

describe('DNS', () => {
  let server: DnsServer;
  beforeAll(async () => (server = await DnsServer.start()));
  afterAll(() => server.close());

  it('gives addresses of a name, with the port that was said, each once', async () => {
    server.a.set('shop.test', ['127.0.0.2', '127.0.0.1', '127.0.0.2']);
    const services = { shop: { a: 'shop.test', port: 80 } };
    const registry = new DnsRegistry({ services, servers: [server.address], callTimeoutMs: 20_000 });
    expect(await registry.instances('shop')).toEqual([
      { service: 'shop', id: '127.0.0.1:80', address: '127.0.0.1:80', state: 'up' },
      { service: 'shop', id: '127.0.0.2:80', address: '127.0.0.2:80', state: 'up' },
    ]);
    await registry.close();
  });

  it('gives the targets of the best priority only', async () => {
    server.srv.set('_http._tcp.shop.test', [
      { priority: 2, name: 'spare.test', port: 80 },
      { priority: 1, name: 'best.test', port: 81 },
    ]);
    const services = { shop: { srv: '_http._tcp.shop.test' } };
    const registry = new DnsRegistry({ services, servers: [server.address], callTimeoutMs: 20_000 });
    expect((await registry.instances('shop')).map(({ address }) => address)).toEqual(['best.test:81']);
    await registry.close();
  });

  it('tells a server that fails from one that says nobody', async () => {
    server.a.set('fails.test', ['127.0.0.1']);
    const services = { fails: { a: 'fails.test', port: 1001 } };
    const registry = new DnsRegistry({ services, servers: [server.address], intervalMs: 100, graceMs: 0 });
    const told = new Told();
    registry.watch('fails', told.listen);
    await told.comesTo('001');
    server.mode = 'failing';
    await told.comesTo('001?');
    server.mode = 'answering';
    await told.comesTo('001');
    server.a.delete('fails.test');
    await told.comesTo('');
    await registry.close();
    expect(replica('fails', 1).address).toBe('127.0.0.1:1001');
  });
});
