import { byId } from '../dom.js';
import { filter, show } from '../reference/page.js';
import { applyTheme, onSystemTheme, toggleTheme } from '../theme.js';

applyTheme();
onSystemTheme(applyTheme);
byId('theme-button').addEventListener('click', toggleTheme);

const search = byId<HTMLInputElement>('filter');
search.addEventListener('input', () => filter(search.value));

const menu = byId('menu-button');
const open = (isOpen: boolean): void => {
  document.body.classList.toggle('menu-open', isOpen);
  menu.setAttribute('aria-expanded', String(isOpen));
};
menu.addEventListener('click', () => open(!document.body.classList.contains('menu-open')));
byId('entries').addEventListener('click', () => open(false));
document.addEventListener('keydown', ({ key }) => {
  if (key === 'Escape') open(false);
});

void show();
