import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { DIST } from '../databases.js';
import { libraries } from './libraries/index.js';

type Question =
  | { readonly ask: 'storm'; readonly key: string; readonly readers: number; readonly loadMs: number }
  | { readonly ask: 'read'; readonly key: string; readonly value: unknown }
  | { readonly ask: 'invalidate'; readonly key: string };

/** A replica in a process of its own. One question at a time. */
export class Peer {
  private constructor(private readonly child: ChildProcess) {}

  static async start(library: number, redisUrl: string): Promise<Peer> {
    const child = fork(join(DIST, 'bench/hazards/peer.js'), [String(library), redisUrl], { silent: true });
    await once(child, 'message');
    return new Peer(child);
  }

  /** So many readers at once; how many of them loaded. */
  async storm(storm: Omit<Question & { ask: 'storm' }, 'ask'>): Promise<number> {
    return (await this.send({ ask: 'storm', ...storm })) as number;
  }

  /** @param value what a load would give */
  read(read: { readonly key: string; readonly value: unknown }): Promise<unknown> {
    return this.send({ ask: 'read', ...read });
  }

  async invalidate(key: string): Promise<void> {
    await this.send({ ask: 'invalidate', key });
  }

  end(): void {
    this.child.kill('SIGKILL');
  }

  private async send(question: Question): Promise<unknown> {
    const answered = once(this.child, 'message');
    this.child.send(question);
    const [answer] = (await answered) as [unknown];
    return answer;
  }
}

async function main(library: number, redisUrl: string): Promise<void> {
  const replica = await libraries[library]!.open(redisUrl);
  const answer = async (question: Question): Promise<unknown> => {
    if (question.ask === 'invalidate') return void (await replica.invalidate(question.key));
    if (question.ask === 'read') return replica.read(question.key, () => Promise.resolve(question.value));
    let loads = 0;
    const load = async () => {
      loads += 1;
      await pause(question.loadMs);
      return loads;
    };
    await Promise.all(Array.from({ length: question.readers }, () => replica.read(question.key, load)));
    return loads;
  };
  process.on('message', (question: Question) => {
    void answer(question).then((said) => process.send!(said ?? null));
  });
  process.once('disconnect', () => process.exit());
  process.send!('ready');
}

const [library, url] = process.argv.slice(2);
if (process.argv[1]?.endsWith('peer.js') && library !== undefined && url !== undefined) {
  await main(Number(library), url);
}
