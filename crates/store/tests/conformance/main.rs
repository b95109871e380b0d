//! What the store promises, held against both databases: every test here runs once on each.

mod accounts;
mod api_tokens;
mod audit;
mod classes;
mod documents;
mod experiments;
mod external;
mod factors;
mod given;
mod groups;
mod holds;
mod joining;
mod journal;
mod model;
mod notices;
mod opening;
mod outages;
mod person;
mod prefect;
mod purge;
mod queue;
mod records;
mod robots;
mod sign_ins;
mod turns;
mod upgrades;
mod watch;

/// Each test of each module, on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($module:ident { $($test:ident),+ $(,)? })+) => {
        mod sqlite {$(
            mod $module {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    crate::$module::$test(store::testing::TestDatabase::sqlite().await).await;
                }
            )+}
        )+}
        mod postgres {$(
            mod $module {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    crate::$module::$test(store::testing::TestDatabase::postgres().await).await;
                }
            )+}
        )+}
    };
}

on_both! {
    accounts {
        an_account_reads_back_by_id_and_by_address_in_any_case,
        an_address_is_taken_once,
        lists_of_people_and_deeds_page_without_gaps,
        a_refresh_token_works_once_and_a_copy_ends_the_session,
        a_person_sees_where_they_are_signed_in,
        only_live_sessions_open_a_page,
        a_new_password_ends_all_sessions,
        an_act_and_its_line_are_one,
        of_two_administrators_who_depose_each_other_one_stays,
        whoever_is_disabled_is_signed_out_and_comes_back_by_signing_in,
        everyone_gets_the_same_signing_key,
        a_key_that_is_replaced_verifies_for_a_while_and_is_forgotten,
        what_has_run_out_is_forgotten_and_the_rest_is_kept,
    }
    sign_ins {
        what_processes_add_at_once_is_all_there,
        a_day_forgets_and_so_does_a_wrong_clock,
    }
    api_tokens {
        a_token_is_found_by_its_hash_with_its_owner,
        nobody_has_more_than_may_be,
        a_token_is_made_by_whoever_signed_in_with_the_password_of_now,
        tokens_end_with_a_new_password_a_disabled_account_and_themselves,
        a_disabled_accounts_token_opens_nothing,
        the_last_use_is_the_latest_whoever_comes_last,
        a_token_that_ran_out_is_listed_for_a_month,
        an_act_on_a_token_and_its_line_are_one,
    }
    factors {
        a_password_alone_begins_no_session_beside_a_factor,
        what_is_shown_is_used_up_with_the_session_that_it_begins,
        of_many_who_show_the_same_one_gets_in,
        tries_are_counted_before_they_are_looked_at,
        the_first_factor_ends_what_began_without_it,
        what_nobody_can_answer_any_more_is_forgotten,
        sessions_of_before_were_proved_when_they_began,
    }
    external {
        a_newcomer_gets_an_account_and_comes_back_to_it,
        nobody_comes_twice_with_the_same_word,
        a_newcomer_who_is_not_welcome_leaves_nothing,
        an_account_is_handed_over_only_where_that_is_wanted,
        what_changes_there_changes_here_and_what_was_used_stays_used,
        what_an_administrator_changed_stays_until_the_provider_says_something_new,
        the_last_administrator_stays_one_whatever_the_provider_says,
        a_first_sign_in_in_two_places_makes_one_account,
        what_ends_there_ends_here_once_and_nothing_else,
        a_disabled_person_does_not_come_in,
        services_tokens_are_made_found_used_and_revoked,
        what_has_served_its_time_is_forgotten,
        old_sessions_are_nobodys_elsewhere,
    }
    groups {
        claims_put_people_into_groups_and_take_them_out_again,
        whoever_was_in_a_group_before_claims_decided_was_put_there_by_hand,
        an_allowance_is_whole_once_at_each_time_whichever_process_comes_first,
        a_clock_that_was_ahead_costs_no_refill,
        an_allowance_is_spent_before_ones_own,
        what_comes_back_after_a_refill_is_good_until_the_next,
        a_grant_is_given_once_and_of_the_reserve,
        one_asks_once_at_a_time_and_only_of_ones_own_group,
        a_teacher_reaches_their_own_groups_and_nothing_else,
        whoever_leaves_keeps_what_is_their_own,
        names_terms_and_members_are_kept_apart,
        the_newest_of_a_groups_experiments_are_listed,
        nothing_is_spent_or_given_twice,
        people_of_before_keep_what_they_had,
    }
    joining {
        a_link_sets_a_password_once_and_ends_what_was_open,
        a_link_ends_with_its_account_its_time_and_a_new_password,
        an_invitation_makes_as_many_accounts_as_it_is_for_and_none_for_others,
        whoever_proves_an_address_gets_its_account_or_waits,
        many_are_changed_or_none_and_an_administrator_stays,
        a_class_comes_in_whole_or_not_at_all,
        a_mail_is_taken_by_one_and_again_if_that_one_dies,
        what_has_run_out_goes,
        people_are_found_by_a_part_of_their_address,
    }
    experiments {
        an_accepted_experiment_reads_back_whole,
        of_two_who_spend_the_last_quota_one_is_accepted,
        what_is_answered_is_what_is_stored,
        those_who_ask_together_are_answered_each_for_itself,
        a_refused_request_leaves_nothing,
        a_measured_well_is_given_back_once_for_a_request_that_makes_up_for_it,
        a_free_well_that_the_lab_spoils_returns_its_quota,
        wells_that_the_plate_before_used_are_told,
        an_idempotency_key_gives_the_first_answer_again,
        one_key_at_once_makes_one_experiment,
        experiments_page_from_the_newest,
        cancelling_what_waits_returns_its_quota_once,
        what_a_lane_holds_is_asked_and_not_changed,
        a_paused_experiment_waits_outside_the_queue,
    }
    queue {
        turns_go_round_between_people,
        priority_goes_first_and_who_was_served_waits,
        a_lane_sees_the_queue_without_other_robots_experiments,
        what_breaks_its_lane_is_set_aside_as_it_is,
        an_experiment_is_taken_by_one_lane_only,
        a_well_of_a_plate_is_never_used_twice,
    }
    turns {
        the_shared_reading_says_what_the_database_says,
        what_came_after_the_reading_stands_where_the_next_one_puts_it,
        a_lane_passes_over_what_is_gone_since_the_reading,
        wells_are_counted_where_nobody_wrote_down_how_many,
        a_full_queue_refuses_and_charges_nothing,
    }
    documents {
        an_experiment_has_its_readings_commands_and_plate,
        what_the_journal_had_lost_has_a_record,
        a_plate_that_is_taken_away_is_kept_as_it_was,
        what_is_cancelled_on_a_plate_leaves_its_picture,
        a_document_waits_until_the_store_has_this_text_of_it,
        what_is_refused_is_in_nobodys_way_and_tried_again_later,
        a_named_lease_has_one_holder,
        old_readings_are_found_by_their_experiment,
    }
    person {
        what_is_said_of_each_column_is_done,
        nothing_anywhere_tells_who_it_was,
        the_last_administrator_is_not_erased,
    }
    audit {
        lines_are_sealed_in_the_order_in_which_they_were_written,
        whatever_is_done_to_a_sealed_line_is_named,
        what_was_kept_elsewhere_tells_what_the_log_can_not,
        the_database_refuses_to_change_a_line,
        an_erased_person_leaves_the_chain_whole,
        what_is_forgotten_by_its_age_is_written_down,
        many_write_and_many_seal_and_no_line_is_missed,
        a_line_that_commits_late_is_sealed_where_it_came,
        a_log_of_an_older_release_is_sealed_as_it_is,
        a_line_is_found_by_who_what_whom_when_and_text,
        a_search_looks_at_so_much_and_says_where_to_go_on,
    }
    prefect {
        an_experiment_is_noted_once_and_told_of_until_it_is_over,
        an_experiment_that_a_run_made_is_that_run,
        what_robot_and_pool_agreed_on_is_kept,
    }
    purge {
        an_ended_experiment_keeps_wells_and_results_and_nothing_else,
        what_an_experiment_under_way_needs_stays_however_old_it_is,
        what_a_lane_is_taken_over_with_stays,
        one_step_is_bounded_and_for_ever_is_for_ever,
    }
    outages {
        a_database_that_only_reads_may_be_asked_again,
        who_waits_too_long_for_a_lock_may_ask_again,
        what_a_device_says_is_kept_whatever_it_holds,
    }
    robots {
        a_new_robot_is_full_and_a_known_one_keeps_its_counts,
        a_name_is_one_machines,
        of_many_workers_one_gets_the_lane,
        a_lease_runs_out_and_can_be_seized,
        an_operators_acts_change_the_deck_and_are_logged,
    }
    records {
        a_robot_is_changed_in_one_act_and_stays_itself,
        what_gives_way_takes_its_count_along_and_the_rest_is_kept,
        a_deck_gives_way_only_where_nothing_has_begun_on_it,
        a_removed_robot_is_out_of_sight_and_what_it_did_stays,
        what_the_mounts_carry_is_remembered,
        a_change_is_made_for_what_was_seen,
    }
    holds {
        no_intent_commits_after_a_hold_has,
        what_passes_which_hold,
        an_act_on_the_deck_overtakes_whoever_looked_before,
        a_robot_stands_still_until_somebody_resumes_it,
        a_hold_is_only_loosened_by_a_resume,
        an_experiment_is_not_taken_onto_a_plate_that_was_replaced,
        a_question_is_raised_once_and_stays_until_it_is_answered,
        what_no_deck_can_mix_is_found,
        a_lane_sees_what_its_deck_can_mix,
        a_handling_is_for_robots_that_are_told_each_stroke,
        an_experiment_is_handed_over_without_what_it_touched,
        a_machine_is_one_robot,
    }
    journal {
        an_entry_ends_one_operation_and_intends_the_next,
        what_may_lie_in_a_well_is_what_was_sent_there,
        a_worker_that_lost_its_lane_writes_nothing,
        an_unlawful_entry_leaves_no_trace,
        a_doubt_is_written_and_settled,
        a_measured_well_is_paid_and_a_failed_one_returned_once,
        a_replacement_costs_its_owner_nothing,
        an_end_ends_the_wells_and_frees_the_lane,
        consumables_follow_the_journal,
        results_by_one_white_are_doubted_and_told_anew,
        events_have_no_gaps_however_many_write,
        events_of_many_experiments_are_read_at_once,
        events_are_found_by_key_however_long_the_history,
        commits_wake_whoever_waits,
    }
    model {
        whatever_two_workers_try_only_the_lawful_is_kept,
    }
    watch {
        figures_are_of_the_whole_lab,
        what_is_told_of_backups_is_kept_until_something_newer_is,
        a_database_that_takes_no_writes_is_found_out,
    }
    classes {
        every_column_has_a_class,
        no_secret_is_printed,
    }
    upgrades {
        what_older_releases_ask_is_understood,
        what_breaks_an_older_release_is_seen,
    }
    opening {
        a_migrated_database_stays_as_it_is,
        processes_that_start_together_migrate_once,
        a_column_more_breaks_no_warm_connection,
        an_older_schema_is_refused_and_nothing_is_made_of_it,
        a_newer_schema_is_used_where_it_says_so,
        a_changed_migration_is_noticed,
        old_holds_and_questions_keep_their_meaning,
        what_was_committed_is_there_after_opening_again,
        futures_of_the_store_can_be_spawned,
        a_commit_waits_for_the_disk_whatever_the_database_says,
    }
}
