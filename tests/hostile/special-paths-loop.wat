;; Loops when it is asked for its special paths.
;;
;; request: enable
;; status: 400
;; error: --start-ms
;; serve: --start-ms=1000

(func $special-paths (param $pairs i32) (param $count i32) (result i32)
  (if (call $has-option (local.get $pairs) (local.get $count))
    (then (loop $again (br $again))))
  (call $nothing))
