import { request } from 'node:http';

export interface PacedKind {
  readonly name: string;
  readonly perSecond: number;
  /** One request. @throws unless it is a success */
  readonly once: () => Promise<void>;
}

export interface KindCount {
  answered: number;
  readonly failures: string[];
}

const TICK_MS = 10;
/** More are under way only where the site does not keep up; what is due then is not sent, and not made up for. */
const MOST_UNDER_WAY = 400;

/** Requests of some kinds, each so many times a second whether or not the site answers, until it is stopped. */
export class EdgeLoad {
  readonly counts = new Map<string, KindCount>();
  private readonly underWay = new Set<Promise<void>>();
  private readonly timer: NodeJS.Timeout;
  private readonly since = performance.now();
  private readonly due = new Map<string, number>();

  constructor(private readonly kinds: readonly PacedKind[]) {
    for (const { name } of kinds) this.counts.set(name, { answered: 0, failures: [] });
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  get failures(): readonly string[] {
    return [...this.counts.values()].flatMap(({ failures }) => failures);
  }

  /** Resolves when nothing is under way any more; answered per second by kind. */
  async stop(): Promise<ReadonlyMap<string, number>> {
    clearInterval(this.timer);
    const seconds = (performance.now() - this.since) / 1_000;
    await Promise.all(this.underWay);
    return new Map([...this.counts].map(([name, { answered }]) => [name, answered / seconds]));
  }

  private tick(): void {
    const passed = (performance.now() - this.since) / 1_000;
    for (const kind of this.kinds) {
      const until = Math.floor(passed * kind.perSecond);
      for (let n = this.due.get(kind.name) ?? 0; n < until && this.underWay.size < MOST_UNDER_WAY; n += 1)
        this.send(kind);
      this.due.set(kind.name, until);
    }
  }

  private send({ name, once }: PacedKind): void {
    const count = this.counts.get(name)!;
    const sent: Promise<void> = once()
      .then(
        () => void (count.answered += 1),
        (error: Error) => void count.failures.push(`${name}: ${error.message}`),
      )
      .finally(() => this.underWay.delete(sent));
    this.underWay.add(sent);
  }
}

export interface Sent {
  readonly method?: string;
  readonly token?: string | undefined;
  readonly body?: unknown;
}

/**
 * The body of the answer, by a connection of its own: Nginx that is reloaded closes idle ones, and nobody can tell whether a
 * POST on such a one has arrived. @throws unless it is a success
 */
export function sendTo(url: string, { method = 'GET', token, body }: Sent = {}): Promise<string> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = {
      ...(token && { authorization: `Token ${token}` }),
      ...(text !== undefined && {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      }),
    };
    const outgoing = request(url, { method, headers, agent: false }, (incoming) => {
      let said = '';
      incoming.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
      incoming.once('error', reject);
      incoming.once('end', () => {
        const { statusCode = 0 } = incoming;
        if (statusCode >= 200 && statusCode < 300) resolve(said);
        else reject(new Error(`${statusCode} ${said.slice(0, 120)}`));
      });
    });
    outgoing.setTimeout(20_000, () => outgoing.destroy(new Error('no answer within 20 s')));
    outgoing.once('error', reject);
    outgoing.end(text);
  });
}
