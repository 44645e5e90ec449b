/** Followers that most authors never have. @see FeedOptions.fanOutMax */
export const FAN_OUT_MAX = 1_000;

/** How feeds are made. */
export abstract class FeedOptions {
  /** Followers up to which each article is written into every follower's feed; beyond, feeds ask for them when read. */
  abstract readonly fanOutMax: number;
}
