/** Jest's progress as one plain line per suite, and what failed in full: readable in a terminal, a log and a pipe. */
export default class PlainReporter {
  onTestResult(_test, result, { numTotalTestSuites, numPassedTestSuites, numFailedTestSuites }) {
    const done = numPassedTestSuites + numFailedTestSuites;
    const seconds = ((result.perfStats.end - result.perfStats.start) / 1000).toFixed(1);
    const name = result.testFilePath.replace(`${process.cwd()}/`, '');
    const failed = result.numFailingTests > 0 || result.testExecError !== undefined;
    const counts = failed
      ? `${result.numFailingTests} of ${result.testResults.length} failed`
      : `${result.testResults.length} tests`;
    const progress = `${String(done).padStart(String(numTotalTestSuites).length)}/${numTotalTestSuites}`;
    process.stdout.write(`  ${progress} ${failed ? 'FAILED' : 'ok'} ${name} (${counts}, ${seconds} s)\n`);
    if (failed) process.stdout.write(`${result.failureMessage ?? result.testExecError?.message}\n`);
  }
}
