import { tagsSuite } from './tags.suite.js';

tagsSuite();
