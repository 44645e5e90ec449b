import { readAfterWriteSuite } from './read-after-write.suite.js';

readAfterWriteSuite();
