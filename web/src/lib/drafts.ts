/** What was written in a room and not sent, kept while one looks into another room. */
export const drafts = new Map<string, string>();
