import { FaultyLink } from '@rookery/sharding/testing';
import type pg from 'pg';
import { Actor, Member } from '../support/actor.js';
import { closeShards, openShards } from '../support/footprint.js';
import { discrepancies, idOfArticle, rowsWith, unhandled } from '../support/leftovers.js';
import { bootSite, type BootedSite } from '../support/site.js';
import { until } from '../support/until.js';
import { Wire } from '../support/wire.js';

/**
 * The connection to the shards breaks at one packet of a request, at each in turn: whatever was answered, what is stored is
 * the article as it was or as it was to be, whole, and what was acknowledged is stored.
 */
const POOL = 'conduit test';
/**
 * What the replica asks by itself now and then must not be taken for the request: the slot map, what is new in the event
 * log, who has which of its lanes, whether it is alone. What handles the request's events is not among it: it is to be cut off as well.
 */
const UPKEEP =
  /SELECT version FROM rookery_slot_version|rookery\.groups\.|rookery\.events\.(pulse|since|walk|tick)|rookery\.inbox\.applied|rookery\.presence\./;
/** More packets than any request here sends: the rounds end before. */
const ROUNDS = 40;

interface Break {
  /** Whether the packet reaches the server before the connection breaks; if so, its answer is lost. */
  readonly arrives: boolean;
  /** Whether the shard is away from then on until the request is answered. */
  readonly stays: boolean;
}

/** Breaks the site's connections at one of the packets it sends. */
class Breaker {
  private left = Infinity;
  private breaks: Break = { arrives: false, stays: false };
  private awaitingAnswer = false;
  hasBroken = false;

  constructor(private readonly links: readonly FaultyLink[]) {
    for (const link of links) {
      link.inspect((data, sender) => this.onPacket(link, data, sender));
      link.inspectAnswers((receiver) => this.onAnswer(link, receiver));
    }
  }

  /** @param packet of those sent from now on, from 1 */
  arm(packet: number, breaks: Break): void {
    this.left = packet;
    this.breaks = breaks;
    this.hasBroken = false;
    this.awaitingAnswer = false;
  }

  disarm(): void {
    this.left = Infinity;
    this.awaitingAnswer = false;
    for (const link of this.links) link.accept();
  }

  private onPacket(link: FaultyLink, data: Buffer, sender: string | undefined): 'pass' | 'swallow' {
    // Over the connection that watches the shard nothing of a request goes; one that loses a packet there and goes on is none.
    if (sender !== POOL || UPKEEP.test(data.toString('latin1'))) return 'pass';
    this.left -= 1;
    if (this.left !== 0) return 'pass';
    if (this.breaks.arrives) {
      this.awaitingAnswer = true;
      return 'pass';
    }
    this.break(link);
    return 'swallow';
  }

  private onAnswer(link: FaultyLink, receiver: string | undefined): 'pass' | 'swallow' {
    if (!this.awaitingAnswer || receiver !== POOL) return 'pass';
    this.awaitingAnswer = false;
    this.break(link);
    return 'swallow';
  }

  private break(link: FaultyLink): void {
    this.hasBroken = true;
    if (this.breaks.stays) link.refuse();
    else link.cut(POOL);
  }
}

let links: FaultyLink[];
let booted: BootedSite;
let breaker: Breaker;
let wire: Wire;
let clients: pg.Client[];
let author: Member;
let reader: Member;

beforeAll(async () => {
  booted = await bootSite({
    through: async (urls) => {
      links = await Promise.all(urls.map((url) => FaultyLink.to(url)));
      return links.map((link) => link.url);
    },
    environment: { LOG_LEVEL: 'silent' },
  });
  breaker = new Breaker(links);
  wire = new Wire(new URL(booted.baseUrl));
  clients = await openShards(booted.shardUrls);
  [author, reader] = [await member('author'), await member('reader')];
});
afterEach(() => breaker.disarm());
afterAll(async () => {
  await closeShards(clients);
  wire.close();
  await booted.close();
  await Promise.all(links.map((link) => link.close()));
});

async function member(username: string): Promise<Member> {
  const password = 'long enough';
  const answer = await new Actor(wire, '/api').register({
    username,
    email: `${username}@example.com`,
    password,
  });
  return new Member(wire, '/api', answer.is(201).user, password);
}

const BEFORE = {
  title: 'On nests',
  description: 'Of twigs',
  body: 'Twigs, mostly.',
  tagList: ['nests', 'twigs'],
};
const AFTER = {
  title: 'On straw',
  description: 'Of straw',
  body: 'Straw, mostly.',
  tagList: ['nests', 'straw'],
};

interface Published {
  readonly slug: string;
  readonly id: string;
}

/** An article with all that may hang on one. */
async function published(): Promise<Published> {
  const { slug } = (await author.publish(BEFORE)).is(201).article;
  for (const fan of [author, reader]) {
    (await fan.favorite(slug)).is(200);
    (await fan.comment(slug, 'Straw?')).is(201);
  }
  return { slug, id: await idOfArticle(clients, slug) };
}

const open = () => unhandled(booted.shardUrls);

/** Sends it as the author; any answer will do. */
async function send(method: string, slug: string, body?: unknown): Promise<number> {
  const { status } = await wire.send({
    method,
    path: `/api/articles${slug === '' ? '' : `/${slug}`}`,
    headers: {
      authorization: `Token ${author.user.token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return status;
}

/** Whether the article is there under `slug`, and exactly as `content` has it, with all that hangs on it. */
async function isWhole(slug: string, content: typeof BEFORE): Promise<boolean> {
  const answer = await reader.article(slug);
  if (answer.status === 404) return false;
  expect(answer.is(200).article).toMatchObject({ ...content, slug, favoritesCount: 2, favorited: true });
  expect((await reader.comments(slug)).is(200).comments).toHaveLength(2);
  return true;
}

interface Change {
  readonly what: string;
  /** Sends it; the status. */
  readonly make: (slug: string) => Promise<number>;
  readonly acknowledged: number;
  /** Whether COMMIT is a packet of its own; else what was sent with it may be answered, and the answer lost, before it. */
  readonly commitsAlone: boolean;
  /** Whether it was made, wholly; fails where it is neither that nor not at all. */
  readonly wasMade: (article: Published) => Promise<boolean>;
}

const CHANGES: readonly Change[] = [
  {
    what: 'another title and other tags',
    make: (slug) => send('PUT', slug, { article: AFTER }),
    acknowledged: 200,
    commitsAlone: true,
    wasMade: async ({ slug }) => {
      const renamed = slug.replace('on-nests', 'on-straw');
      const [old, made] = [await isWhole(slug, BEFORE), await isWhole(renamed, AFTER)];
      expect(old).toBe(!made);
      return made;
    },
  },
  {
    what: 'a deletion',
    make: (slug) => send('DELETE', slug),
    acknowledged: 204,
    commitsAlone: false,
    wasMade: async ({ slug, id }) => {
      const made = !(await isWhole(slug, BEFORE));
      // What lies elsewhere follows by events, which the break may have held up.
      if (made) {
        await until('nothing of it is left', async () => (await rowsWith(clients, id)).length === 0);
      }
      return made;
    },
  },
];

const BREAKS: readonly [string, Break][] = [
  ['is lost, and the link is back at once', { arrives: false, stays: false }],
  ['arrives, its answer is lost, and the link is back at once', { arrives: true, stays: false }],
  ['is lost, and the shard stays away', { arrives: false, stays: true }],
  ['arrives, its answer is lost, and the shard stays away', { arrives: true, stays: true }],
];

describe.each(CHANGES)(
  '$what, cut off at each packet in turn',
  ({ make, acknowledged, commitsAlone, wasMade }) => {
    it.each(BREAKS)(
      'where the packet %s',
      async (_, breaks) => {
        const outcomes: string[] = [];
        for (let packet = 1; packet <= ROUNDS; packet += 1) {
          const article = await published();
          // What follows by events would take the break for itself.
          await until('what came before is handled', async () => (await open()).length === 0);
          breaker.arm(packet, breaks);
          const status = await make(article.slug);
          const { hasBroken } = breaker;
          breaker.disarm();
          await until('the shards are served again', async () => (await send('GET', '')) === 200);
          const made = await wasMade(article);
          outcomes.push(`${status} ${made ? 'made' : 'not made'}`);
          if (status === acknowledged) expect(made).toBe(true);
          else expect([503, 504]).toContain(status);
          expect(await discrepancies(booted.shardUrls)).toEqual([]);
          if (!hasBroken) break;
        }
        // The last round was the one that nothing broke: every packet had its turn.
        expect(outcomes.length).toBeGreaterThan(2);
        expect(outcomes.length).toBeLessThan(ROUNDS);
        expect(outcomes.at(-1)).toBe(`${acknowledged} made`);
        // One of them was the COMMIT, of which the site cannot know whether it was the packet or the answer that was lost.
        if (!breaks.arrives) expect(outcomes).toContain('503 not made');
        else if (commitsAlone) expect(outcomes).toContain('503 made');
        else expect(outcomes.join()).toContain('503');
      },
      240_000,
    );
  },
);
