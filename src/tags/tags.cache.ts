/** Tag of the list of tags. */
export const TAGS = 'tags';
