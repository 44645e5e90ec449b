import { favoritesSuite } from './favorites.suite.js';

favoritesSuite();
