import type pg from 'pg';
import type { Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import { closeShards, openShards } from '../support/footprint.js';
import { idOfArticle, readModelFaults, rowsWith } from '../support/leftovers.js';
import { shardUrlsOf } from '../support/site.js';
import { until } from '../support/until.js';

interface Removal {
  readonly status: string;
  readonly reason: string | null;
  readonly round: number;
}

/** An article that somebody's feed has, somebody's list of favorites, and two tags; and what becomes of its removal. */
describe('the removal of an article', () => {
  const conduit = useConduit({
    environment: { LOG_LEVEL: 'silent', READ_AFTER_WRITE_MS: '250', REMOVAL_TIMEOUT_MS: '400' },
  });
  let clients: pg.Client[];
  let author: Member;
  let readers: Member[];

  beforeAll(async () => {
    author = await conduit.someone('author');
    readers = await conduit.cast('one', 'two', 'three', 'four', 'five', 'six');
    for (const reader of readers) (await reader.follow(author.name)).is(200);
    clients = await openShards(shardUrlsOf(conduit.site));
    conduit.beforeClose(() => closeShards(clients));
  });

  const onAll = async <R extends pg.QueryResultRow>(
    statement: string,
    values: unknown[] = [],
  ): Promise<R[]> =>
    (await Promise.all(clients.map((client) => client.query<R>(statement, values)))).flatMap(
      ({ rows }) => rows,
    );
  const article = async (): Promise<{ slug: string; id: string }> => {
    const tagList = [conduit.unique('tag'), conduit.unique('tag')];
    const { slug } = (await author.publish(draft({ tagList }))).is(201).article;
    for (const reader of readers) (await reader.favorite(slug)).is(200);
    return { slug, id: await idOfArticle(clients, slug) };
  };
  const remove = async (slug: string): Promise<void> => {
    (await author.remove(slug)).is(204);
    // Whatever becomes of its traces.
    expect((await conduit.anonymous().article(slug)).status).toBe(404);
  };
  const removalOf = async (id: string): Promise<Removal | undefined> => {
    const [row] = await onAll<Removal>(
      `SELECT status, reason, (state->>'round')::int AS round FROM rookery_process
       WHERE name = 'article-removal' AND id = $1`,
      [id],
    );
    return row;
  };
  const untilIs = async (id: string, status: string): Promise<Removal> => {
    const is = async () => (await removalOf(id))?.status === status;
    await until(`the removal to be ${status}`, is, 60_000).catch(async (cause: unknown) => {
      throw new Error(`it is ${JSON.stringify(await onAll('SELECT * FROM rookery_process'))}`, { cause });
    });
    return (await removalOf(id))!;
  };
  /** Has the database refuse to take an article out of anybody's feed, or list, until told otherwise. */
  const refuse = async (table: string, id: string): Promise<() => Promise<void>> => {
    await onAll(`CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF OLD.article_id = '${id}' THEN RAISE EXCEPTION 'refused by the test'; END IF; RETURN OLD; END $$`);
    await onAll(
      `CREATE TRIGGER refuse_one BEFORE DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION refuse_one()`,
    );
    return async () => {
      await onAll(`DROP FUNCTION refuse_one CASCADE`);
    };
  };
  const parked = async (group: string): Promise<number> =>
    (await onAll(`SELECT FROM rookery_parked WHERE grp = $1 AND state <> 'skipped'`, [group])).length;
  const nothingIsLeftOf = async (id: string): Promise<void> => {
    expect(await rowsWith(clients, id)).toEqual([]);
    // Of other articles something may still be on its way.
    let faults: string[] = [];
    await until('the read models to be right', async () => {
      faults = await readModelFaults(shardUrlsOf(conduit.site));
      return faults.length === 0;
    }).catch((cause: unknown) => {
      throw new Error(`they are not: ${JSON.stringify(faults)}`, { cause });
    });
  };

  it('is complete when every part has confirmed', async () => {
    const { slug, id } = await article();
    await remove(slug);
    expect(await untilIs(id, 'completed')).toMatchObject({ reason: null });
    await nothingIsLeftOf(id);
  });

  it.each([
    ['feed_entry', 'feed'],
    ['favorited', 'favorited-list'],
  ])('waits for a step that fails, and goes on when it does not: %s', async (table, group) => {
    const { slug, id } = await article();
    const permit = await refuse(table, id);
    try {
      await remove(slug);
      await until('the step to have failed', async () => (await parked(group)) > 0);
      expect(await removalOf(id)).toMatchObject({ status: 'running' });
    } finally {
      await permit();
    }
    await untilIs(id, 'completed');
    await until('nothing to be parked', async () => (await parked(group)) === 0);
    await nothingIsLeftOf(id);
  });

  it('goes on from where it was when every other step dies with its connection', async () => {
    const { slug, id } = await article();
    await onAll('CREATE SEQUENCE deaths');
    await onAll(`CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF nextval('deaths') % 2 = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
        RETURN NULL;
      END $$`);
    try {
      await onAll(
        'CREATE TRIGGER die BEFORE INSERT ON rookery_inbox FOR EACH STATEMENT EXECUTE FUNCTION die()',
      );
      await remove(slug);
      await untilIs(id, 'completed');
    } finally {
      await onAll('DROP FUNCTION die CASCADE');
      await onAll('DROP SEQUENCE deaths');
    }
    await nothingIsLeftOf(id);
  });

  it.each([
    ['feed_entry', 'feed'],
    ['favorited', 'favorited-list'],
  ])('is asked again, and leaves nothing where somebody skipped a step: %s', async (table, group) => {
    const { slug, id } = await article();
    const permit = await refuse(table, id);
    try {
      await remove(slug);
      await until('the step to have failed', async () => (await parked(group)) > 0);
      await onAll(`UPDATE rookery_parked SET state = 'skipped' WHERE grp = $1`, [group]);
    } finally {
      await permit();
    }
    const { round } = await untilIs(id, 'completed');
    expect(round).toBeGreaterThan(1);
    await until('nothing to be parked', async () => (await parked(group)) === 0);
    await nothingIsLeftOf(id);
    expect(await removalOf(id)).toMatchObject({ reason: null });
  });

  it('is given up in the end, and says what is left', async () => {
    const { slug, id } = await article();
    const permit = await refuse('feed_entry', id);
    try {
      await remove(slug);
      // As if it had been asked often enough: the next timeout is the last. It comes late where there is news after this.
      await onAll(`UPDATE rookery_process SET state = jsonb_set(state, '{round}', '4') WHERE id = $1`, [id]);
      expect(await untilIs(id, 'failed')).toMatchObject({
        reason: expect.stringMatching(/^asked 4 times, not confirmed: .*feeds/) as string,
      });
    } finally {
      await permit();
    }
  });
});
