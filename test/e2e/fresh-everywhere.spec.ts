import { freshEverywhereSuite } from './fresh-everywhere.suite.js';

describe('a replica that is alone', () => {
  freshEverywhereSuite();
});
