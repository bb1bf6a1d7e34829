//! The contract of a [`Store`](doorward_domain::ports::Store): one suite for every implementation.
//!
//! A case is a `pub async fn case(store: Arc<dyn Store>)` that panics when the store breaks the
//! contract. [`store_contract!`](crate::store_contract) makes one test of each for an adapter.
//!
//! No case holds two units of work in one task, because a store may allow only one at a time.

#![expect(clippy::missing_panics_doc, reason = "each case panics when the contract is broken")]

mod audit;
mod change;
mod credential;
mod email_proof;
mod guess;
mod idempotency;
mod import;
mod job;
mod mailbox;
mod role;
mod samples;
mod session;
mod signing_key;
mod unit_of_work;
mod user;
mod user_list;

pub use audit::*;
pub use change::*;
pub use credential::*;
pub use email_proof::*;
pub use guess::*;
pub use idempotency::*;
pub use import::*;
pub use job::*;
pub use mailbox::*;
pub use role::*;
pub use session::*;
pub use signing_key::*;
pub use unit_of_work::*;
pub use user::*;
pub use user_list::*;

/// Makes a test of each case of the contract.
///
/// The first argument is an async function that returns a store and whatever must live as long as the
/// test, such as a temporary database: `async fn create() -> (Arc<dyn Store>, T)`. The second one is
/// an async function that cleans up: `async fn finish(held: T)`. See `tests/memory_store.rs`.
#[macro_export]
macro_rules! store_contract {
    ($create:path, $finish:path) => {
        $crate::store_contract!(@cases $create, $finish:
            a_user_is_read_back_as_written,
            an_address_is_taken_whatever_its_form,
            of_many_users_with_one_address_one_is_added,
            a_renamed_user_keeps_the_rest,
            only_an_active_user_signs_in,
            a_deleted_user_leaves_nothing_behind,
            a_user_with_an_unknown_role_is_not_added,
            a_users_roles_are_replaced_exactly,
            an_unknown_role_changes_nothing,
            a_disabled_user_is_kept_out_until_active_again,
            active_administrators_are_counted,
            of_many_administrators_who_resign_one_stays,
            a_list_of_users_holds_whom_the_filter_fits_in_order,
            a_search_that_finds_many_gives_each_once_and_in_order,
            a_list_of_users_is_stable_while_they_come_and_go,
            a_list_of_users_goes_on_after_one_who_is_gone,
            a_key_of_another_list_begins_the_list_anew,
            a_renamed_user_is_found_by_the_new_name_only,
            all_users_are_read_in_order_of_id,
            imported_users_are_read_back_as_written,
            of_a_user_who_is_not_imported_nothing_is_there,
            an_import_with_an_unknown_role_adds_nobody,
            an_import_goes_on_where_the_last_commit_left_it,
            of_many_imports_of_one_file_each_line_is_dealt_with_once,
            the_built_in_roles_are_there_from_the_beginning,
            roles_are_read_back_in_order_of_name,
            a_role_is_made_then_replaced,
            of_many_who_put_one_role_one_makes_it,
            a_deleted_role_is_taken_from_everybody,
            a_role_that_is_deleted_meanwhile_stays_with_nobody,
            a_credential_is_found_by_any_form_of_the_address,
            a_credential_is_replaced_only_at_the_expected_version,
            a_rehash_keeps_the_version,
            of_many_password_changes_one_wins,
            a_dropped_unit_of_work_leaves_no_trace,
            a_conflict_leaves_the_unit_of_work_usable,
            a_unit_of_work_reads_its_own_writes,
            of_many_reads_at_once_each_gets_its_own,
            of_many_rotations_one_wins,
            a_session_is_over_at_the_moment_it_expires,
            a_revoked_session_rotates_no_more,
            of_many_sessions_each_rotates_by_itself,
            a_session_is_revoked_only_by_its_owner_and_once,
            revoking_all_spares_the_exception_and_the_dead,
            session_pages_are_stable_under_inserts,
            pruning_forgets_what_is_over_and_nothing_else,
            pruning_takes_no_more_at_once_than_told,
            the_feed_tells_each_committed_revocation,
            the_feed_survives_the_user,
            the_feed_misses_nothing_under_concurrency,
            a_hint_follows_a_revocation,
            the_feed_tells_changes_of_users_and_roles,
            what_changes_nothing_is_not_told,
            changes_are_forgotten_when_they_are_over,
            signing_keys_are_read_back_in_order,
            of_many_keys_of_one_generation_one_is_added,
            the_token_life_of_younger_keys_is_raised_and_never_lowered,
            a_key_is_sealed_anew_and_keeps_the_rest,
            only_older_keys_are_removed,
            a_job_that_is_rolled_back_was_never_there,
            a_job_is_given_to_its_worker_as_written,
            a_second_job_with_a_key_waits_until_the_first_is_finished,
            of_many_jobs_with_one_key_one_is_added,
            of_many_claimers_each_job_has_one,
            a_worker_that_comes_too_late_changes_nothing,
            a_lease_that_expired_holds_until_somebody_takes_the_job,
            an_effect_and_the_completion_of_its_job_commit_together,
            of_many_completions_one_counts,
            jobs_are_completed_together_and_each_by_its_own_lease,
            of_many_completions_of_the_same_jobs_one_counts,
            a_job_waits_for_its_time,
            a_worker_is_given_only_what_it_knows,
            a_job_that_kills_its_workers_is_given_up,
            a_failed_job_is_tried_again_at_its_time_until_it_is_dead,
            an_operator_has_a_job_tried_again,
            a_job_that_is_handed_back_has_lost_no_attempt,
            a_job_that_is_postponed_has_lost_no_attempt,
            a_deleted_job_is_lost_to_its_worker,
            a_tick_is_taken_once_and_never_after_a_later_one,
            jobs_are_listed_newest_first_as_the_filter_says,
            finished_jobs_are_forgotten_in_time_and_no_others,
            a_hint_follows_a_job,
            an_event_is_read_back_as_written,
            an_event_of_a_dropped_unit_of_work_is_not_there,
            events_are_found_by_everything_that_is_asked_for,
            a_list_of_events_is_stable_while_they_come,
            each_event_gets_one_seal,
            of_many_who_seal_each_event_is_sealed_by_one,
            pruning_takes_whole_seals_and_leaves_a_checkpoint,
            a_proof_is_read_back_as_written,
            of_many_uses_of_a_proof_one_wins,
            so_many_proofs_are_made_for_an_address_and_no_more,
            mails_to_an_address_count_after_its_user_is_gone,
            a_code_is_tried_so_often_and_no_more,
            a_code_works_when_its_mail_went_out_and_for_its_time,
            an_address_is_reserved_for_who_may_take_it_back,
            proofs_are_made_void_by_user_purpose_and_time,
            proofs_are_pruned_when_they_expired_long_enough_ago,
            an_address_is_verified_and_replaced,
            of_many_who_take_one_address_one_gets_it,
            a_password_is_put_whatever_was_there,
            of_many_who_claim_one_request_one_carries_it_out,
            an_answer_is_kept_with_its_effect_or_not_at_all,
            who_lost_the_claim_keeps_no_answer,
            a_lease_that_is_over_holds_until_somebody_claims_the_request,
            a_request_that_was_released_is_new,
            an_answer_that_is_withheld_looks_like_none,
            answers_are_forgotten_after_a_day_and_not_before,
            a_mail_is_kept_as_written_and_once,
            the_mailbox_shows_the_newest_first_and_forgets_the_oldest,
            a_guess_counter_is_read_back_as_written,
            a_guess_of_a_dropped_unit_of_work_was_not_counted,
            of_many_claims_no_more_than_allowed_succeed,
            of_many_failures_each_is_counted,
            guess_counters_that_are_over_are_forgotten_and_no_others,
        );
    };
    (@cases $create:path, $finish:path: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (store, held) = $create().await;
                $crate::contract::$case(::std::sync::Arc::clone(&store)).await;
                let found = store.inconsistencies().await.expect("the store can be read");
                assert!(found.is_empty(), "the store contradicts itself: {found:#?}");
                drop(store);
                $finish(held).await;
            }
        )+

        /// Fails when a case was added to the contract but not to the list of this macro.
        #[test]
        fn the_list_of_cases_is_complete() {
            let listed = ::std::collections::BTreeSet::from([$(stringify!($case)),+]);
            assert_eq!(listed, $crate::contract::cases(), "add the new case to store_contract!");
        }
    };
}

/// The names of all cases, as the sources have them.
#[must_use]
pub fn cases() -> std::collections::BTreeSet<&'static str> {
    let sources = [
        include_str!("audit.rs"),
        include_str!("change.rs"),
        include_str!("credential.rs"),
        include_str!("email_proof.rs"),
        include_str!("idempotency.rs"),
        include_str!("guess.rs"),
        include_str!("import.rs"),
        include_str!("job.rs"),
        include_str!("mailbox.rs"),
        include_str!("role.rs"),
        include_str!("session.rs"),
        include_str!("signing_key.rs"),
        include_str!("unit_of_work.rs"),
        include_str!("user.rs"),
        include_str!("user_list.rs"),
    ];
    let functions = sources.iter().flat_map(|source| source.split("\npub async fn ").skip(1));
    functions.filter_map(|function| function.split('(').next()).collect()
}
