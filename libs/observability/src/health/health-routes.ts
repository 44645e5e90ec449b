/**
 * The routes of HealthModule, without a leading slash: for `setGlobalPrefix('api', { exclude: [...HEALTH_ROUTES] })` and
 * for whatever else must leave them alone (access logs, rate limits, documentation).
 */
export const HEALTH_ROUTES = ['health/live', 'health/ready', 'health/started'] as const;
