import { freshEverywhereSuite } from '../e2e/fresh-everywhere.suite.js';

describe('two replicas that share no cache', () => {
  freshEverywhereSuite({ replicas: 2 }, false);
});
