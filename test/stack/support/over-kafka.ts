import { LATE_HEADER } from '@rookery/events';
import { Actor, Member } from '../../support/actor.js';
import { draft } from '../../support/conduit.js';
import { PATIENCE_MS, type RunningSite, type SiteOptions } from '../../support/site.js';
import { until } from '../../support/until.js';
import { Wire } from '../../support/wire.js';

/** The groups of a site join one after the other, and the first of a cluster have it make a topic for their offsets. */
const JOIN_LIMIT_MS = 90_000;

/** A site whose events travel by these brokers. */
export function overKafka(brokers: () => readonly string[]): SiteOptions {
  return { kafka: brokers, environment: { READ_AFTER_WRITE_MS: PATIENCE_MS }, whenBooted: untilInTime };
}

/**
 * A site takes requests before its consumers have joined their groups, and its first answers do not wait for them for ever.
 * What the suites demand of every answer holds from the time on when each group has handled something in time.
 */
async function untilInTime(site: RunningSite): Promise<void> {
  const url = new URL(site.baseUrl);
  const prefix = url.pathname.replace(/\/$/, '');
  const wire = new Wire(url);
  const join = async (username: string): Promise<Member> => {
    const password = `password of ${username}`;
    const visitor = new Actor(wire, prefix);
    const { user } = (await visitor.register({ username, email: `${username}@example.com`, password })).is(
      201,
    );
    return new Member(wire, prefix, user, password);
  };
  try {
    const [author, reader] = [await join('first-author'), await join('first-reader')];
    const inTime = async (): Promise<boolean> => {
      const published = await author.publish(draft({ tagList: ['first'] }));
      const { slug } = published.is(201).article;
      const answers = [
        published,
        await reader.follow(author.name),
        await reader.favorite(slug),
        await author.remove(slug),
        await reader.unfollow(author.name),
      ];
      return answers.every((answer) => answer.headers[LATE_HEADER] === undefined);
    };
    await until('answers to be in time', inTime, JOIN_LIMIT_MS);
  } finally {
    wire.close();
  }
}
