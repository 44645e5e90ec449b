/** Root of the repository. */
export const root: string;

/** Builds `dist` if any source is newer; whether it built. Programs that ask at the same time build once. */
export function buildIfStale(): Promise<boolean>;

/** Whether any source is newer than what was built of it. */
export function isStale(): boolean;
