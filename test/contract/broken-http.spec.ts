import { brokenHttpSuite } from './broken-http.suite.js';

brokenHttpSuite();
