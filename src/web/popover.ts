/** Panels that hang below a button (a sheet at the bottom on phones, see the style sheet). */

const MARGIN_PX = 8;

/** Wires a button to a native popover: position, `aria-expanded`, focus back to the button when it closes. */
export function attachPopover(
  button: HTMLElement,
  panel: HTMLElement,
  onOpen: () => void,
  onClose: () => void,
  mayOpen: () => boolean = () => true,
): void {
  // The click that opens must not also be the outside click that just closed it.
  let closedAt = 0;
  button.addEventListener('click', () => {
    if (mayOpen() && !panel.matches(':popover-open') && performance.now() - closedAt > 150) panel.showPopover();
  });
  panel.addEventListener('toggle', (event) => {
    const open = event instanceof ToggleEvent && event.newState === 'open';
    button.setAttribute('aria-expanded', String(open));
    if (open) {
      place(button, panel);
      onOpen();
    } else {
      closedAt = performance.now();
      onClose();
    }
  });
  window.addEventListener('resize', () => {
    if (panel.matches(':popover-open')) place(button, panel);
  });
}

function place(button: HTMLElement, panel: HTMLElement): void {
  const anchor = button.getBoundingClientRect();
  const room = document.documentElement.clientWidth - panel.offsetWidth - MARGIN_PX;
  panel.style.top = `${anchor.bottom + MARGIN_PX}px`;
  panel.style.left = `${Math.max(MARGIN_PX, Math.min(anchor.left, room))}px`;
}
