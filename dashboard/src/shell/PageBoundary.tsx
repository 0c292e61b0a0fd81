import { Component, type ReactNode } from "react";
import { Failed } from "../ui/bits";

/** Keeps a page's own error from taking the frame with it. */
export class PageBoundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  override render(): ReactNode {
    if (this.state.error === null) return this.props.children;
    return (
      <main className="main">
        <Failed error={this.state.error} again={() => this.setState({ error: null })} />
      </main>
    );
  }
}
