import { importSource } from './source.mjs';

/** Once per run, in Jest's main process: the folder of the run's PostgreSQL, which starts when a test first asks for it. */
export default async function globalSetup() {
  const { startTestServer } = await importSource('devstack/src/testing/index.ts');
  await startTestServer();
}
