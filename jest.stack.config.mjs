import base from './jest.config.mjs';

/** Suites that need programs from outside npm; each names them in a line `needs: …` (see scripts/test.mjs). */
export default {
  ...base,
  testMatch: ['<rootDir>/test/stack/**/*.stack.spec.ts'],
  testPathIgnorePatterns: base.testPathIgnorePatterns.filter((pattern) => !pattern.includes('test/stack')),
  testTimeout: 120_000,
};
