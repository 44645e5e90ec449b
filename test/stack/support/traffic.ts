import { Agent, request } from 'node:http';
import { until } from '../../support/until.js';

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** On a connection of its own. */
export function ask(url: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: new Agent({ keepAlive: false }) }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: text }),
      );
    });
    sent.setTimeout(20_000, () => sent.destroy(new Error('no answer after 20 s')));
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Requests one after another in several lines at once, GET and POST in turn, until it is stopped. */
export class Traffic {
  readonly failures: string[] = [];
  /** Answers by the name of the replica. */
  readonly by = new Map<string, number>();
  /** Requests of each line that are over. */
  private readonly over: number[];
  private stopping = false;
  private readonly lines: Promise<void>[];

  constructor(
    private readonly url: string,
    lines = 8,
  ) {
    this.over = Array.from({ length: lines }, () => 0);
    this.lines = Array.from({ length: lines }, (_, at) => this.line(at));
  }

  get answered(): number {
    return [...this.by.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Resolves when nothing is under way any more that was so when it was called. */
  async turnover(): Promise<void> {
    const before = [...this.over];
    await until('what was under way to be over', async () =>
      this.over.every((count, at) => count > before[at]!),
    );
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.lines);
  }

  private async line(at: number): Promise<void> {
    for (let n = 0; !this.stopping; n += 1) {
      const method = (n + at) % 2 === 0 ? 'GET' : 'POST';
      try {
        const { status, body } = await ask(`${this.url}/`, {
          method,
          ...(method === 'POST' && { body: 'something' }),
        });
        if (status === 200) this.by.set(body, (this.by.get(body) ?? 0) + 1);
        else this.failures.push(`${method}: ${status} ${body}`);
      } catch (error) {
        this.failures.push(`${method}: ${String(error)}`);
      }
      this.over[at]! += 1;
    }
  }
}
