// Windows: spans of equal length that event time is cut into.

/** Monday, 5 January 1970, 00:00 UTC: weeks begin on Mondays, and days at midnight UTC whatever a place's clocks do. */
export const WINDOWS_BEGIN_US = 4 * 86_400_000_000;

/** Start of the window that holds a moment. Windows are spans of UTC, so daylight saving moves none of them. */
export const windowStart = (us: number, windowUs: number): number => {
  const inside = (((us - WINDOWS_BEGIN_US) % windowUs) + windowUs) % windowUs;
  return us - inside;
};
