interface Route {
  readonly segments: readonly string[];
  readonly methods: readonly string[];
}

/** The routes there are, to tell a path that does not exist from a method it does not take. Asked for 404s only. */
export class RouteTable {
  private readonly routes: Route[] = [];

  add(methods: string | readonly string[], url: string): void {
    this.routes.push({
      segments: segmentsOf(url),
      methods: typeof methods === 'string' ? [methods] : methods,
    });
  }

  /** Methods that the path of `url` takes, sorted; none if it is not a path of the application. */
  methodsOf(url: string): string[] {
    const path = segmentsOf(url.replace(/[?#].*$/s, ''));
    const found = this.routes.filter((route) => matches(route.segments, path));
    return [...new Set(found.flatMap((route) => route.methods))].sort();
  }
}

function segmentsOf(url: string): string[] {
  return url.split('/').filter((segment) => segment !== '');
}

/** A wildcard serves files: which of them exist is not known here, so it matches nothing. */
function matches(template: readonly string[], path: readonly string[]): boolean {
  return (
    template.length === path.length &&
    template.every((segment, index) => segment.startsWith(':') || segment === path[index])
  );
}
