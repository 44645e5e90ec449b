import { ClusterUsageFault, needsOf, parseClusterOptions } from './cluster.options.js';

describe('the options of npm run cluster', () => {
  it('have defaults, and say what the machine must have', () => {
    const options = parseClusterOptions([]);
    expect(options).toMatchObject({ replicas: 3, shards: 2, port: 8080, kafka: false, temporary: false });
    expect(needsOf(options)).toEqual(['nginx', 'etcd']);
  });

  it('are taken as they are given', () => {
    const options = parseClusterOptions([
      '--replicas',
      '5',
      '--shards=4',
      '--kafka',
      '--redis',
      '--haproxy',
      '--port=0',
    ]);
    expect(options).toMatchObject({ replicas: 5, shards: 4, kafka: true, redis: true, port: 0 });
    expect(needsOf(options)).toEqual(['nginx', 'etcd', 'kafka', 'redis', 'haproxy']);
  });

  it.each([
    [['--replicas', '0'], "--replicas takes a whole number from 1 to 32, not '0'"],
    [['--shards', '1.5'], "--shards takes a whole number from 1 to 64, not '1.5'"],
    [['--port', 'http'], "--port takes a whole number from 0 to 65534, not 'http'"],
    [['--replica', '3'], "Unknown option '--replica'"],
    [['3'], "Unexpected argument '3'"],
  ])('%j is refused', (argv, message) => {
    expect(() => parseClusterOptions(argv)).toThrow(ClusterUsageFault);
    expect(() => parseClusterOptions(argv)).toThrow(message);
  });
});
