import { defineErrors } from '@rookery/kernel';

export const observabilityErrors = defineErrors('OBSERVABILITY', {
  METRIC_CONFLICT: {
    status: 500,
    message: 'metric {metric} is declared twice, differently: {difference}',
  },
  BAD_METRIC: { status: 500, message: 'metric {metric} cannot be declared: {reason}' },
  DUPLICATE_PROBE: { status: 500, message: 'two health probes are named {probe}' },
});
