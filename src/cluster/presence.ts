import type { EtcdRegistry, Instance, Watch } from '@rookery/discovery';
import type { Front } from './front.js';

/** A balancer that did as it was told, and whose answer was lost, has changed without telling of it. */
const LOOK_AGAIN_MS = 500;

/** Who is there, by the registry and by the balancers; and when somebody is. */
export class Presence {
  fronts: readonly Front[] = [];
  private readonly watch: Watch;
  private readonly waiting = new Set<() => void>();

  constructor(registry: EtcdRegistry, service: string) {
    this.watch = registry.watch(service, () => this.changed());
  }

  get instances(): readonly Instance[] {
    return this.watch.snapshot?.instances ?? [];
  }

  instance(id: string): Instance | undefined {
    return this.instances.find((one) => one.id === id);
  }

  /** To be called when a balancer has changed. */
  changed(): void {
    for (const look of this.waiting) look();
  }

  /** Resolves when the replica is registered and every balancer sends it traffic. @throws when it is aborted */
  whenServing(id: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearInterval(again);
        this.waiting.delete(look);
        signal.removeEventListener('abort', aborted);
      };
      const look = (): void => {
        if (!this.serves(id)) return;
        end();
        resolve();
      };
      const aborted = (): void => {
        end();
        reject(signal.reason as Error);
      };
      const again = setInterval(() => look(), LOOK_AGAIN_MS);
      if (signal.aborted) return aborted();
      signal.addEventListener('abort', aborted);
      this.waiting.add(look);
      look();
    });
  }

  stop(): void {
    this.watch.stop();
  }

  private serves(id: string): boolean {
    const instance = this.instance(id);
    if (instance?.state !== 'up') return false;
    // By address: HAProxy's slots have no names.
    return this.fronts.every((front) =>
      front.status().peers?.some(({ address, draining }) => address === instance.address && !draining),
    );
  }
}
