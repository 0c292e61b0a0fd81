import "uplot/dist/uPlot.min.css";
import "./styles/tokens.css";
import "./styles/shell.css";
import "./styles/controls.css";
import "./styles/data.css";
import "./styles/pages.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";
import { App } from "./App";
import { Problem } from "./api/client";
import { basePath } from "./lib/base";
import { startTheme } from "./lib/theme";
import { Toasts } from "./ui/toast";

startTheme();

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      // The live stream says when it is time to look again; it opens anew when the tab is seen again.
      refetchOnWindowFocus: false,
      // What the server refused it will refuse again.
      retry: (tries, error) =>
        tries < 2 && !(error instanceof Problem && error.status >= 400 && error.status < 500),
    },
  },
});

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <Toasts>
          <BrowserRouter basename={basePath || "/"}>
            <App />
          </BrowserRouter>
        </Toasts>
      </QueryClientProvider>
    </StrictMode>,
  );
}
