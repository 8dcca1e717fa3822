/** What a panel is given and what it gives. */
import type { Panels, Project } from '../api.ts';

export interface Context {
  panels: Panels;
  project: Project;
  /** Opens an item in the middle of the page. */
  open: (item: number) => void;
  /** Goes through the doubtful labels one by one. */
  review: () => void;
  choose: (change: { rule: string } | { model: string }) => void;
  import: (file: File) => void;
}

export interface Panel {
  id: string;
  title: string;
  /** Whether it is unfolded at the first visit. */
  open: boolean;
  /** What the panel shows; null where there is nothing to say, and then the panel is absent. */
  draw: (context: Context) => (Node | null)[] | null;
}
