import { importSource } from './source.mjs';

/** Stops the run's PostgreSQL, if a test has started it, and removes its data. */
export default async function globalTeardown() {
  const { stopTestServer } = await importSource('devstack/src/testing/index.ts');
  await stopTestServer();
}
