import { edgeFaults } from './edge-faults.js';
import type { EdgeFault } from './fault.js';
import { replicaFaults } from './replica-faults.js';
import { serverFaults } from './server-faults.js';

export const faults: readonly EdgeFault[] = [...replicaFaults, ...edgeFaults, ...serverFaults];
