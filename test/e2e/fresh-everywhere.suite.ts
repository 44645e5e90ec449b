import { Cache } from '@rookery/cache';
import type { Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import type { BootedSite, SiteOptions } from '../support/site.js';

/**
 * After the answer to a write, no replica serves anybody what it made stale: each read is compared with the same read once
 * all that is cached is forgotten.
 */
export function freshEverywhereSuite(options: SiteOptions = {}, cached = true): void {
  const conduit = useConduit(options);
  let author: Member;
  let other: Member;
  let slug: string;
  let tag: string;

  const booted = () => conduit.site as BootedSite;
  const caches = () => booted().replicas.map(({ app }) => app.get(Cache));

  beforeAll(async () => {
    [author, other] = (await conduit.cast('author', 'other')) as [Member, Member];
    tag = conduit.unique('tag');
    slug = (await author.publish(draft({ title: 'First', tagList: [tag] }))).is(201).article.slug;
  });

  /** Everything that is cached and may show what is written here. */
  const paths = (): string[] => [
    '/articles',
    '/articles?limit=1&offset=1',
    `/articles?author=${author.user.username}`,
    `/articles?tag=${tag}`,
    `/articles?favorited=${other.user.username}`,
    `/articles/${slug}`,
    `/articles/${slug}/comments`,
    `/profiles/${author.user.username}`,
    `/profiles/${other.user.username}`,
    '/tags',
  ];
  const readers = (): (string | undefined)[] => [undefined, author.user.token, other.user.token];

  /** Every path by every reader on every replica, all at once. */
  async function read(): Promise<Map<string, string>> {
    const answers = new Map<string, string>();
    await Promise.all(
      booted().baseUrls.flatMap((url, replica) =>
        readers().flatMap((token, reader) =>
          paths().map(async (path) => {
            const response = await fetch(url + path, {
              headers: token === undefined ? {} : { authorization: `Token ${token}` },
            });
            answers.set(
              `${path} by reader ${reader} on replica ${replica}`,
              `${response.status} ${await response.text()}`,
            );
          }),
        ),
      ),
    );
    return answers;
  }

  async function afterwards(write: () => Promise<unknown>): Promise<void> {
    await read();
    await read();
    await write();
    const seen = await read();
    await Promise.all(caches().map((cache) => cache.invalidateAll()));
    expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(await read()));
  }

  const writes: [string, () => Promise<unknown>][] = [
    ['a new article', async () => (await author.publish(draft({ title: 'Second', tagList: [tag] }))).is(201)],
    ['a new body', async () => (await author.edit(slug, { body: 'Another.' })).is(200)],
    ['a comment', async () => (await other.comment(slug, 'Nice.')).is(201)],
    ['a favorite', async () => (await other.favorite(slug)).is(200)],
    ['a follow', async () => (await other.follow(author.user.username)).is(200)],
    ['another bio', async () => (await author.updateMe({ bio: 'Builds nests.' })).is(200)],
    [
      'another name',
      async () => {
        const answer = (await author.updateMe({ username: conduit.unique('renamed') })).is(200);
        Object.assign(author.user, answer.user);
      },
    ],
    ['another tag', async () => (await author.edit(slug, { tagList: [tag, conduit.unique('tag')] })).is(200)],
    ['no tags', async () => (await author.edit(slug, { tagList: [] })).is(200)],
    [
      'another title',
      async () => {
        const before = slug;
        slug = (await author.edit(slug, { title: 'Renamed' })).is(200).article.slug;
        for (const url of booted().baseUrls) {
          expect((await fetch(`${url}/articles/${before}`)).status).toBe(404);
        }
      },
    ],
    ['a comment less', async () => (await other.removeComment(slug, 1)).is(204)],
    ['a favorite less', async () => (await other.unfavorite(slug)).is(200)],
    ['the end of a follow', async () => (await other.unfollow(author.user.username)).is(200)],
    ['a deletion', async () => (await author.remove(slug)).is(204)],
  ];

  it.each(writes)('%s is seen on every replica by everybody as soon as it is answered', async (_, write) => {
    await afterwards(write);
  });

  it(cached ? 'though answers came from the cache' : 'and nothing came from the cache', () => {
    const hits = caches().map((cache) => cache.stats().localHits);
    if (cached) for (const count of hits) expect(count).toBeGreaterThan(100);
    else expect(hits).toEqual(hits.map(() => 0));
  });
}
