import { Modal } from "../ui/Modal";
import { SHORTCUTS } from "./useShortcuts";

export function ShortcutHelp({ onClose }: { onClose: () => void }) {
  return (
    <Modal title="Keys" onClose={onClose}>
      <dl className="facts">
        {SHORTCUTS.map(([key, deed]) => (
          <div key={key} className="fact-row">
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{deed}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
