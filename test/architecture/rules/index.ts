import type { Rule } from '../rule.js';
import { environmentInConfig } from './environment-in-config.js';
import { featureDirections } from './feature-directions.js';
import { featureFacades } from './feature-facades.js';
import { importsResolve } from './imports-resolve.js';
import { kernelIsBare } from './kernel-is-bare.js';
import { libDependencies } from './lib-dependencies.js';
import { libDirections } from './lib-directions.js';
import { libsByName } from './libs-by-name.js';
import { lockfileInStep } from './lockfile-in-step.js';
import { noCycles } from './no-cycles.js';
import { noExitInLibs } from './no-exit-in-libs.js';
import { noExportStar } from './no-export-star.js';
import { noForwardRef } from './no-forward-ref.js';
import { noRequestScope } from './no-request-scope.js';
import { noSkippedTests } from './no-skipped-tests.js';
import { oneCompositionRoot } from './one-composition-root.js';
import { packageSurface } from './package-surface.js';
import { poolsOutliveHttp } from './pools-outlive-http.js';
import { rootDependencies } from './root-dependencies.js';
import { specsAreRun } from './specs-are-run.js';
import { testsStayOut } from './tests-stay-out.js';
import { vendorsConfined } from './vendors-confined.js';

export const rules: readonly Rule[] = [
  importsResolve,
  libsByName,
  libDirections,
  kernelIsBare,
  vendorsConfined,
  noCycles,
  featureFacades,
  featureDirections,
  noExportStar,
  oneCompositionRoot,
  testsStayOut,
  environmentInConfig,
  noForwardRef,
  noRequestScope,
  noExitInLibs,
  poolsOutliveHttp,
  packageSurface,
  libDependencies,
  rootDependencies,
  lockfileInStep,
  specsAreRun,
  noSkippedTests,
];
