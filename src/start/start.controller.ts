import { Controller, Get, Header, Inject, Req, Res } from '@nestjs/common';
import type { HttpReply, HttpRequest } from '@rookery/http';
import { OPERATIONS, type About, type Link } from './about.js';
import { acceptsHtml } from './accepts-html.js';
import { PAGE_POLICY, pageOf } from './page.js';

export const ABOUT = Symbol('ABOUT');

/** Whoever opens the bare address: what this is, and where to go from here. */
@Controller()
export class StartController {
  constructor(@Inject(ABOUT) private readonly about: About) {}

  @Get()
  @Header('cache-control', 'public, max-age=300')
  @Header('vary', 'accept')
  start(@Req() request: HttpRequest, @Res({ passthrough: true }) reply: HttpReply): unknown {
    if (!acceptsHtml(request.headers.accept)) return this.data();
    reply.header('content-type', 'text/html; charset=utf-8').header('content-security-policy', PAGE_POLICY);
    return pageOf(this.about);
  }

  private data() {
    const { name, description, version, links, operationsUrl } = this.about;
    const url = operationsUrl();
    return {
      name,
      description,
      version,
      links: hrefs(links, ''),
      ...(url === undefined ? {} : { operations: hrefs(OPERATIONS, url) }),
    };
  }
}

function hrefs(links: readonly Link[], base: string): Record<string, string> {
  return Object.fromEntries(links.map(({ name, href }) => [name, base + href]));
}
