// The pages by path.

import { lazy } from "react";
import { Route, Routes } from "react-router";
import { SignedIn } from "./lib/session";
import { AuditPage } from "./pages/access/AuditPage";
import { NotFound } from "./pages/access/NotFound";
import { SignIn } from "./pages/access/SignIn";
import { DeadPage } from "./pages/dead/DeadPage";
import { JobPage } from "./pages/job/JobPage";
import { JobsPage } from "./pages/jobs/JobsPage";
import { QueuesPage } from "./pages/queues/QueuesPage";
import { WorkersPage } from "./pages/workers/WorkersPage";
import { Shell } from "./shell/Shell";

// Charts and forms are not needed to show the others.
const OverviewPage = lazy(() => import("./pages/overview/OverviewPage"));
const NewJobPage = lazy(() => import("./pages/new/NewJobPage"));

export function App() {
  return (
    <Routes>
      <Route path="/sign-in" element={<SignIn />} />
      <Route
        element={
          <SignedIn>
            <Shell />
          </SignedIn>
        }
      >
        <Route path="/" element={<OverviewPage />} />
        <Route path="/jobs" element={<JobsPage />} />
        <Route path="/jobs/:id" element={<JobPage />} />
        <Route path="/dead" element={<DeadPage />} />
        <Route path="/workers" element={<WorkersPage />} />
        <Route path="/queues" element={<QueuesPage />} />
        <Route path="/new" element={<NewJobPage />} />
        <Route path="/audit" element={<AuditPage />} />
        <Route path="*" element={<NotFound />} />
      </Route>
    </Routes>
  );
}
