import { Injectable } from '@nestjs/common';
import type { DataOf, ProcessRun, Timeout } from '@rookery/events';
import type { Counter, Id } from '@rookery/kernel';
import type { ShardTransaction } from '@rookery/sharding';
import * as sql from '../data/article.sql.js';
import {
  articleRemoval,
  articleRemovalAsked,
  REMOVAL_PARTS,
  type articleRemovalConfirmed,
  type articleRemovalTold,
  type RemovalPart,
} from './removal.events.js';
import { RemovalOptions } from './removal.options.js';

type Run = NonNullable<Awaited<ReturnType<typeof articleRemoval.load>>>;
type State = Run extends ProcessRun<infer S> ? S : never;

const ROUNDS = 4;
const GROWTH = 4;
/** Counts are taken off once: asked twice, they would be wrong, so this part is waited for only. */
const ONCE: readonly RemovalPart[] = ['tags'];

/**
 * Sees to it that of an article which is gone nothing stays anywhere. The article itself goes with the commit that was
 * acknowledged, and its traces follow by events; there is no way back from there, so nothing is compensated: what does not
 * confirm is asked again, until all have confirmed or it is given up and said.
 *
 * It changes nothing of how traces are removed. What it adds is for what gets lost between: an event that somebody skipped,
 * or that was dropped with an old partition of the log.
 */
@Injectable()
export class ArticleRemoval {
  private readonly outcomes: Counter;

  constructor(private readonly options: RemovalOptions) {
    this.outcomes = options.meter.counter({
      name: 'conduit_article_removals_total',
      help: 'Removals of articles from all read models: begun, asked again after a timeout, completed, given up',
      labels: ['outcome'],
    });
  }

  /** With the commit that deletes the article: whatever confirms finds it there. */
  async begin(tx: ShardTransaction, articleId: Id, authorId: Id, tags: number): Promise<void> {
    const untold = { round: 1, places: 0, gone: 0, told: false };
    const state: State = {
      authorId,
      round: 1,
      parts: { favorited: untold, feeds: untold, tags: { ...untold, places: tags, told: true } },
    };
    const { timeoutMs } = this.options;
    if (await articleRemoval.start(tx, articleId, state, { timeoutMs })) this.count(tx, 'begun');
  }

  async told(tx: ShardTransaction, { articleId, ...told }: DataOf<typeof articleRemovalTold>): Promise<void> {
    const run = await articleRemoval.load(tx, articleId);
    const part = run?.state.parts[told.part];
    if (!run || part?.round !== told.round) return;
    this.goOn(tx, run, told.part, { ...part, places: part.places + told.places, told: told.last });
  }

  async confirmed(
    tx: ShardTransaction,
    { articleId, ...confirmed }: DataOf<typeof articleRemovalConfirmed>,
  ): Promise<void> {
    const run = await articleRemoval.load(tx, articleId);
    const part = run?.state.parts[confirmed.part];
    if (!run || part?.round !== confirmed.round) return;
    this.goOn(tx, run, confirmed.part, { ...part, gone: part.gone + confirmed.places });
  }

  async timedOut(tx: ShardTransaction, timeout: Timeout): Promise<void> {
    const run = await articleRemoval.due(tx, timeout);
    if (!run) return;
    const { authorId, round } = run.state;
    const open = REMOVAL_PARTS.filter((name) => isOpen(run.state.parts[name]));
    if (round >= ROUNDS) {
      const reason = `asked ${ROUNDS} times, not confirmed: ${open.join(', ')}`;
      run.fail(reason);
      this.count(tx, 'given up');
      tx.afterCommit(() => this.options.onWarning(`the removal of article ${run.id} is given up: ${reason}`));
      return;
    }
    const again = open.filter((name) => !ONCE.includes(name));
    const parts = { ...run.state.parts };
    for (const name of again) parts[name] = { round: round + 1, places: 0, gone: 0, told: false };
    run.next({ authorId, round: round + 1, parts }, { timeoutMs: this.waitOf(round + 1) });
    this.count(tx, 'asked again');
    if (again.length === 0) return;
    tx.publish(articleRemovalAsked({ articleId: run.id, authorId, parts: again, round: round + 1 }));
  }

  private goOn(tx: ShardTransaction, run: Run, name: RemovalPart, part: State['parts'][RemovalPart]): void {
    const parts = { ...run.state.parts, [name]: part };
    if (REMOVAL_PARTS.some((one) => isOpen(parts[one]))) {
      run.next({ ...run.state, parts }, { timeoutMs: this.waitOf(run.state.round) });
      return;
    }
    run.complete();
    tx.send(sql.forgetFavoritesOfDeleted(run.id));
    this.count(tx, 'completed');
  }

  private waitOf(round: number): number {
    return this.options.timeoutMs * GROWTH ** (round - 1);
  }

  private count(tx: ShardTransaction, outcome: string): void {
    tx.afterCommit(() => this.outcomes.add(1, { outcome }));
  }
}

function isOpen({ told, places, gone }: State['parts'][RemovalPart]): boolean {
  return !told || gone < places;
}
