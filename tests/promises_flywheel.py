"""What the flywheel promises: traffic becomes models, and they earn their place."""

from promise import Promise

FLYWHEEL: dict[str, Promise] = {
    "what-is-said-is-kept": Promise(
        "On routes that collect, and on no others, bodies are kept whole, and forgotten with their subject.",
        (
            "test_what_is_said_on_a_route_that_collects_is_kept_whole",
            "test_what_was_flushed_survives_kill_9_and_nothing_is_half_there",
            "test_a_forgotten_subject_is_in_no_file_any_more_and_writing_goes_on",
        ),
    ),
    "feedback-settled": Promise(
        "Feedback may be late, repeated and contradicting: one belief comes of it, in whatever order it came.",
        (
            "test_a_correction_is_kept_settled_and_recorded",
            "test_the_order_of_arrival_never_matters",
            "test_the_majority_of_persons_wins_over_the_latest_and_the_quarrel_is_named",
            "test_the_same_file_again_adds_nothing_though_a_row_that_is_there_twice_counts_twice",
            "test_signals_are_weighed_by_how_often_people_agreed_with_them",
        ),
    ),
    "feedback-private": Promise(
        "A key judges and reads what it or its team asked, and learns of nothing else.",
        (
            "test_a_team_shares_its_inferences_and_an_administrator_sees_all",
            "test_somebody_else_learns_not_even_that_an_inference_exists",
            "test_feedback_on_an_episode_counts_only_with_the_key_that_asked",
        ),
    ),
    "gates-count": Promise(
        "Every row that a gate keeps out of a dataset is counted with its reason.",
        (
            "test_no_row_is_ever_lost_uncounted",
            "test_a_dataset_is_what_its_digest_says_and_its_bill_counts_everything",
            "test_consent_is_that_of_the_subject_and_the_default_holds_for_the_others",
            "test_answers_of_a_provider_that_forbids_it_are_kept_out_but_corrections_pass_without_them",
            "test_secrets_and_attacks_are_kept_out_and_personal_data_is_masked",
            "test_what_evaluation_sets_hold_is_not_learned",
        ),
    ),
    "datasets-immutable": Promise(
        "A dataset never changes, is named by its digest, and whoever exchanges something in it is found out.",
        (
            "test_the_same_build_has_the_same_name_and_the_first_bill_stays",
            "test_a_file_that_was_exchanged_for_another_good_one_is_not_read",
            "test_examples_exchanged_under_a_new_bill_are_noticed_by_the_signature",
            "test_the_reference_library_reads_the_same",
        ),
    ),
    "no-leaks": Promise(
        "No episode, subject or near-duplicate is both learned from and tested on, and tests come after training.",
        (
            "test_no_episode_subject_or_near_duplicate_straddles_the_splits",
            "test_the_latest_are_the_test_and_those_before_them_the_validation",
            "test_what_is_not_for_training_is_not_learnt",
        ),
    ),
    "students-abstain": Promise(
        "A student answers where it is right as often as was asked, and hands the rest to the next deployment.",
        (
            "test_answers_above_the_threshold_are_seldom_right_less_often_than_was_asked",
            "test_a_student_is_right_on_messages_it_has_not_seen_and_unsure_of_the_rest",
            "test_a_student_answers_what_it_knows_and_the_next_deployment_the_rest",
            "test_where_nobody_else_can_be_asked_the_caller_is_told_why",
        ),
    ),
    "tuning-repeats": Promise(
        "The same examples and seed make the same model, and what is loaded is never executed.",
        (
            "test_the_same_examples_and_seed_give_the_same_student",
            "test_the_same_seed_gives_the_same_artifact",
            "test_a_student_is_a_manifest_and_weights_and_nothing_that_is_executed",
            "test_weights_that_were_changed_are_refused",
        ),
    ),
    "served-without-restart": Promise(
        "A tuned model is a deployment of the running gateway, whatever method made it.",
        (
            "test_a_tuned_model_becomes_a_deployment_without_a_restart",
            "test_examples_before_a_question_and_a_providers_model_are_deployments_too",
            "test_an_engine_ends_when_whoever_started_it_is_killed",
            "test_a_tuner_without_its_libraries_says_what_to_install",
        ),
    ),
    "the-loop-closes": Promise(
        "Traffic and feedback become a model that is measured, approved and rolled out, by commands alone.",
        (
            "test_traffic_becomes_a_model_that_is_measured_and_approved",
            "test_a_good_candidate_goes_from_shadow_to_full_by_its_evidence",
            "test_a_job_that_names_nothing_known_says_what_there_is",
        ),
    ),
    "few-false-approvals": Promise(
        "However often one looks, a worse candidate is approved at most as often as alpha says.",
        (
            "test_a_worse_candidate_is_approved_in_at_most_one_of_twenty_replays_though_one_looks_after_every_pair",
            "test_a_usual_test_looked_at_after_every_pair_is_wrong_far_more_often",
            "test_the_bounds_hold_at_every_look_at_once",
        ),
    ),
    "power-stated": Promise(
        "An equal candidate is approved in four of five replays within the stated pairs, which are forecast.",
        (
            "test_an_equal_candidate_is_approved_in_four_of_five_replays_within_the_stated_pairs",
            "test_a_plan_names_the_pairs_that_replays_then_need",
            "test_a_clear_difference_is_decided_and_a_small_sample_is_not",
        ),
    ),
    "judges-never-alone": Promise(
        "A judge decides nothing without answers that people gave, however biased it is.",
        (
            "test_a_judge_alone_never_decides",
            "test_a_judge_without_people_decides_nothing_however_much_it_says",
            "test_a_judge_biased_towards_the_candidate_promotes_no_worse_one_once_there_is_gold",
        ),
    ),
    "replays-once": Promise(
        "Replays are recorded as such, keep to their budget, and ask nothing twice, also after kill -9.",
        (
            "test_questions_are_answered_in_order_and_recorded_as_replays",
            "test_a_budget_ends_the_replays",
            "test_a_question_asked_again_is_answered_from_memory",
            "test_a_killed_evaluation_goes_on_without_asking_again",
        ),
    ),
    "canaries-sticky": Promise(
        "A conversation stays in its arm, and a candidate in shadow serves nobody.",
        (
            "test_a_candidate_in_shadow_serves_nobody",
            "test_a_canary_serves_just_the_conversations_of_its_share",
            "test_a_rollout_takes_hold_without_a_restart_and_is_explained",
        ),
    ),
    "taken-back": Promise(
        "A candidate that fails or answers worse is taken back while callers are served.",
        (
            "test_a_candidate_that_fails_is_taken_back_while_callers_are_served",
            "test_a_candidate_that_answers_worse_is_found_by_what_people_correct",
            "test_a_drop_of_five_points_is_found_within_the_stated_requests",
            "test_it_can_be_rolled_back_from_everywhere_and_once",
        ),
    ),
    "few-false-alarms": Promise(
        "A sound candidate raises at most one false alarm in thirty days, though traffic follows the hour.",
        (
            "test_thirty_days_of_a_sound_candidate_bring_at_most_one_false_alarm_though_traffic_follows_the_day",
            "test_two_arms_without_a_single_error_never_alarm",
            "test_false_alarms_are_as_rare_as_the_run_length_says",
        ),
    ),
    "owners-decide": Promise(
        "With two people the first only proposes, and on a pinned route nothing moves by itself.",
        (
            "test_with_two_people_the_first_only_proposes",
            "test_on_a_pinned_route_nothing_moves_by_itself",
            "test_a_second_rollout_waits_for_the_first",
        ),
    ),
    "lineage-both-ways": Promise(
        "From an answer or a person to every model made of it, and back; what is withdrawn touches just that.",
        (
            "test_an_inference_leads_to_every_dataset_model_and_route_that_has_something_of_it",
            "test_a_model_leads_back_to_its_run_dataset_and_people",
            "test_what_is_withdrawn_touches_just_what_was_made_of_it",
        ),
    ),
    "withdrawn-and-succeeded": Promise(
        "What was made of withdrawn data serves no more; a successor without it earns its traffic like any candidate.",
        (
            "test_after_a_withdrawn_consent_the_model_rests_and_its_successor_is_offered",
            "test_terms_that_are_withdrawn_leave_what_people_wrote_and_may_be_given_back",
            "test_a_successor_whose_evaluation_rejects_it_is_not_offered",
            "test_a_retuning_whose_worker_dies_in_every_step_ends_as_if_it_had_not",
        ),
    ),
    "taken-back-is-forgotten": Promise(
        "What a candidate said before it was taken back is never again evidence, of itself or of another.",
        (
            "test_what_was_remembered_of_a_deployment_is_not_used_once_it_was_taken_back",
            "test_what_a_candidate_said_is_forgotten_when_a_guard_takes_it_back",
            "test_what_a_candidate_said_before_it_was_taken_back_is_kept_out_but_corrections_of_it_pass",
            "test_what_a_candidate_said_before_it_was_taken_back_is_no_right_answer",
            "test_a_new_rollout_of_the_same_candidate_begins_without_what_the_old_one_showed",
        ),
    ),
    "workers-anywhere": Promise(
        "A worker with a data folder of its own makes what the gateway serves, and their ledgers never mix.",
        (
            "test_a_worker_with_a_data_folder_of_its_own_makes_what_the_gateway_serves",
            "test_a_ledger_belongs_to_one_data_folder",
            "test_a_job_that_needs_a_data_folder_waits_for_a_worker_of_it_also_after_a_death",
            "test_a_parcel_that_was_damaged_does_not_arrive",
        ),
    ),
    "jobs-survive": Promise(
        "A job that is killed anywhere goes on elsewhere after its last finished step, and nowhere twice.",
        (
            "test_a_killed_workers_job_goes_on_elsewhere_without_repeating_finished_steps",
            "test_a_worker_that_was_only_asleep_cannot_finish_what_another_took_over",
            "test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been",
            "test_a_worker_that_goes_on_orders_nothing_twice",
            "test_a_cancelled_job_stops_in_the_middle_and_can_be_resumed",
        ),
    ),
}
