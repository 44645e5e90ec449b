import { malformedSuite } from './malformed.suite.js';

malformedSuite();
