/** The title of the browser's tab. */
export function Title({ children }: { children: string }) {
  return <title>{`${children} · Just Tech News`}</title>;
}
