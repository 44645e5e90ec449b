/**
 * Names of everything in Redis, by namespace and version of the entries. What scripts touch together carries one hash tag,
 * and so lies on one node of a cluster; entries and versions are spread over all of them.
 */
export class Keys {
  /** What the names of entries, leases and versions begin with. */
  readonly data: string;
  readonly registry: string;
  readonly alive: string;
  readonly history: string;
  readonly everything: string;
  readonly channel: string;
  private readonly control: string;

  constructor(namespace: string, version: string) {
    this.data = `${namespace}:${version}`;
    this.control = `{${namespace}:${version}}`;
    this.registry = `${this.control}:replicas`;
    this.alive = `${this.control}:alive`;
    this.history = `${this.control}:history`;
    this.everything = `${this.control}:v`;
    this.channel = `${this.control}:invalidated`;
  }

  /** The 3 is of the form of what is written: who knows another one only does not find it. */
  entry(key: string): string {
    return `${this.data}:e3:${key}`;
  }

  lease(key: string): string {
    return `${this.data}:l:${key}`;
  }

  version(tag: string): string {
    return `${this.data}:v:${tag}`;
  }

  beat(replica: string): string {
    return `${this.control}:beat:${replica}`;
  }

  /** Where a replica hears its own beats, and acknowledgements for what it has invalidated. */
  own(replica: string): string {
    return `${this.control}:to:${replica}`;
  }
}
