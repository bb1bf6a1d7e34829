//! The application's hooks, as generated.

use std::path::Path;

use async_trait::async_trait;
use loco_rs::app::{AppContext, Hooks};
use loco_rs::bgworker::Queue;
use loco_rs::boot::{create_app, BootResult, StartMode};
use loco_rs::config::Config;
use loco_rs::controller::AppRoutes;
use loco_rs::db::truncate_table;
use loco_rs::environment::Environment;
use loco_rs::task::Tasks;
use loco_rs::Result;

use crate::migration::Migrator;
use crate::{auth, users};

pub struct App;

#[async_trait]
impl Hooks for App {
    fn app_name() -> &'static str {
        env!("CARGO_CRATE_NAME")
    }

    async fn boot(mode: StartMode, environment: &Environment, config: Config) -> Result<BootResult> {
        create_app::<Self, Migrator>(mode, environment, config).await
    }

    fn routes(_ctx: &AppContext) -> AppRoutes {
        AppRoutes::with_default_routes().add_route(auth::routes())
    }

    async fn connect_workers(_ctx: &AppContext, _queue: &Queue) -> Result<()> {
        Ok(())
    }

    fn register_tasks(_tasks: &mut Tasks) {}

    async fn truncate(ctx: &AppContext) -> Result<()> {
        Ok(truncate_table(&ctx.db, users::Entity).await?)
    }

    async fn seed(_ctx: &AppContext, _base: &Path) -> Result<()> {
        Ok(())
    }
}
