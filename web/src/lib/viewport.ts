/**
 * Keeps the page as high as what the keyboard on the screen leaves free. Most browsers shrink the page
 * by themselves (see the viewport meta); Safari on phones lays the keyboard over it instead.
 */
export function followKeyboard(): void {
  const viewport = window.visualViewport;
  if (!viewport) return;
  const root = document.documentElement;
  const fit = () => {
    const covered = window.innerHeight - viewport.height * viewport.scale;
    if (covered > 80) root.style.setProperty('--page-height', `${viewport.height * viewport.scale}px`);
    else root.style.removeProperty('--page-height');
    if (covered > 80) window.scrollTo(0, 0);
  };
  viewport.addEventListener('resize', fit);
}
