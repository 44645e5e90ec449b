export { needsOf, parseClusterOptions, USAGE, ClusterUsageFault } from './cluster.options.js';
export { clusterCommands } from './commands.js';
export { clusterFolder, runCluster, type ClusterRun } from './run-cluster.js';
export { RunningCluster, type ClusterParts } from './running-cluster.js';
export { serveMetrics, type MetricsServer } from './scrape-targets.js';
