/** Tag of all that shows users: one for all of them, since a change of name or image is rare, and pages show many. */
export const PEOPLE = 'people';

/** Tag of what a viewer sees through what they follow and favor. */
export const viewerTag = (viewer: string): string => `viewer:${viewer}`;

/** Tags of an answer that shows people to a viewer. */
export const seenBy = (viewer: string | undefined): string[] =>
  viewer === undefined ? [PEOPLE] : [PEOPLE, viewerTag(viewer)];
