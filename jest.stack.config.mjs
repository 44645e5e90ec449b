import base from './jest.config.mjs';

/** Suites that need programs from outside npm; each names them in a line `needs: …` (see scripts/test.mjs). */
export default {
  ...base,
  testMatch: ['<rootDir>/test/stack/**/*.stack.spec.ts'],
  testPathIgnorePatterns: base.testPathIgnorePatterns.filter((pattern) => !pattern.includes('test/stack')),
  testTimeout: 120_000,
  // Each of them keeps a machine of two cores busy with servers of its own: two at once mostly wait for each other, and take
  // what the other one does for a fault. A memory limit has Jest use a worker for one, too, and begin another when it is full.
  maxWorkers: 1,
};
